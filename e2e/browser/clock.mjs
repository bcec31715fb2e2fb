// The clock of a customer's device, which may be wrong, and the service's, which a test may move along with the device's.

/** The device's clock is so many seconds ahead of the true time, or behind it; timers go on as they do. */
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

/** The services' clocks are ahead of the true time, by as many seconds as `move` has been told so far. */
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
