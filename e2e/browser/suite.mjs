// A group of tests with the whole system and a browser of their own; skipped where either is missing, with the reason.

import { after, afterEach, before, describe } from 'node:test';
import { launch, missing as noBrowser } from './chromium.mjs';
import { visit } from './customer.mjs';
import { missing as noBundle, startSite } from './site.mjs';

/** What the tests of a group share: the running system, the browser, and the customers of the test that is running. */
class Stage {
  #customers = [];

  /** Opens the page as a new customer, who leaves when the test ends; `options` are those of `visit`. */
  async visit(options) {
    const customer = await visit(this.browser, this.site, options);
    this.#customers.push(customer);
    return customer;
  }

  /** The same with a burner wallet of a development account, which has play money. */
  async visitWithMoney(account, options) {
    const customer = await this.visit(options);
    await customer.useBurner(account);
    await customer.fund();
    return customer;
  }

  /** The same with a leased container, signed in; `lease` is its card on the board. */
  async visitWithContainer(account, options) {
    const customer = await this.visitWithMoney(account, options);
    const ctid = await customer.leaseContainer();
    await customer.signIn();
    const lease = customer.lease(ctid);
    await lease.waitFor();
    return { customer, page: customer.page, lease, ctid };
  }

  /** Closes what the test opened; fails when one of its pages had an error or asked a stranger. */
  async endTest() {
    for (const customer of this.#customers.splice(0)) await customer.leave();
  }
}

/** `startSystem` starts the system; `tests` is called with a stage that has its `site` and `browser` from the first test on. */
export function inBrowser(name, tests, startSystem = startSite) {
  describe(name, { skip: noBrowser || noBundle, timeout: 300_000 }, () => {
    const stage = new Stage();
    before(async () => {
      stage.site = await startSystem();
      stage.browser = await launch();
    });
    afterEach(() => stage.endTest());
    after(async () => {
      await stage.browser?.close();
      await stage.site?.stop();
    });
    tests(stage);
  });
}
