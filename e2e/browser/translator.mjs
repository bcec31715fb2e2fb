// What a page translator does to a page: every text goes into `font` elements of its own, also as it changes; the page's text is
// no longer in it. Elements that are not for translation are left alone, unless `all`.

export const translate = (page, { all = false } = {}) =>
  page.evaluate((all) => {
    const wrap = (text) => {
      const parent = text.parentElement;
      if (!text.data.trim() || !parent || parent.closest('script, style, textarea, font')) return;
      if (!all && parent.closest('[translate=no], .notranslate')) return;
      const [outer, inner] = [document.createElement('font'), document.createElement('font')];
      inner.textContent = text.data;
      outer.append(inner);
      text.replaceWith(outer);
    };
    const wrapAll = (root) => {
      const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      const texts = [];
      while (walker.nextNode()) texts.push(walker.currentNode);
      texts.forEach(wrap);
    };
    wrapAll(document.body);
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) {
          if (node.nodeType === Node.TEXT_NODE) wrap(node);
          else if (node.isConnected) wrapAll(node);
        }
      }
    }).observe(document.body, { childList: true, subtree: true });
  }, all);
