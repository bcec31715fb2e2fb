// What a customer can see and press, by the positions of elements on the screen.

/** Whether the middle of an element is on top where it lies, so that a customer sees it. */
export const inSight = (locator) =>
  locator.evaluate((element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    return element === top || element.contains(top);
  });

/** The controls that one of the elements covers. */
export const coveredBy = (locator) =>
  locator.evaluateAll((elements) => {
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const controls = [...document.querySelectorAll('.app :is(a, button, input, textarea, select)')];
    const others = controls.filter((control) => control.checkVisibility() && !elements.some((one) => one.contains(control)));
    const lies = (one) => one.getBoundingClientRect();
    return others.filter((other) => elements.some((one) => meet(lies(one), lies(other)))).map(({ outerHTML }) => outerHTML);
  });

/** How far one element is below another, in pixels. */
export async function gap(above, below) {
  const [first, second] = [await above.boundingBox(), await below.boundingBox()];
  return second.y - first.y - first.height;
}

/** Clicks in the middle of an element without scrolling to it first. */
export async function pressWithMouse(page, locator) {
  const { x, y, width, height } = await locator.boundingBox();
  await page.mouse.click(x + width / 2, y + height / 2);
}
