// The clock of a customer's device, which may be wrong, and the services' clocks, which a test may move too.

/** Sets the device's clock this many seconds ahead of the true time, or behind it; timers are not changed. */
export const setDeviceClock = (page, ahead) =>
  page.addInitScript((ahead) => {
    const True = Date;
    const now = () => True.now() + ahead * 1000;
    window.Date = class extends True {
      constructor(...parts) {
        if (parts.length) super(...parts);
        else super(now());
      }
      static now = now;
    };
  }, ahead);

/** Lets `move` set the services' clocks ahead: its seconds add up in the `Date` of their responses. */
export async function movableServices(page, site) {
  let ahead = 0;
  for (const { url } of [site.api, site.agent]) {
    await page.route(`${url}/**`, async (route) => {
      if (ahead === 0) return route.fallback();
      const response = await route.fetch();
      const date = new Date(Date.parse(response.headers().date) + ahead * 1000).toUTCString();
      return route.fulfill({ response, headers: { ...response.headers(), date } });
    });
  }
  return { move: (seconds) => (ahead += seconds) };
}
