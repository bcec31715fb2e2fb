// The glue between the application and xterm.js. The build replaces the packages' names by paths relative to this file.
// The application calls `infra402Terminal` once this is loaded.
import { Terminal } from '@xterm/xterm';
import { FitAddon } from '@xterm/addon-fit';

const style = document.createElement('link');
style.rel = 'stylesheet';
style.href = new URL('@xterm/xterm/css/xterm.css', import.meta.url).href;
document.head.append(style);

/** A terminal in `host`. `onData` gets what is typed, `onSize` columns and rows, `onPaste` a text of several lines that was
 *  pasted and not sent: such a text may run commands, so the customer is asked first. */
function open(host, onData, onSize, onPaste) {
  const { backgroundColor: background, color: foreground } = getComputedStyle(host);
  const terminal = new Terminal({
    convertEol: false,
    cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
    fontSize: 14,
    scrollback: 5000,
    screenReaderMode: true,
    theme: { background, foreground, cursor: foreground },
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(host);
  terminal.onData(onData);
  terminal.onResize(({ cols, rows }) => onSize(cols, rows));

  const guard = (event) => {
    const text = event.clipboardData?.getData('text/plain') ?? '';
    if (!/[\r\n]/.test(text)) return;
    event.preventDefault();
    event.stopPropagation();
    onPaste(text);
  };
  host.addEventListener('paste', guard, { capture: true });

  // A hidden host has no size to fit.
  const refit = () => host.clientWidth > 0 && host.clientHeight > 0 && fit.fit();
  const watcher = new ResizeObserver(refit);
  watcher.observe(host);
  refit();

  return {
    write: (bytes) => terminal.write(bytes),
    paste: (text) => terminal.paste(text),
    focus: () => terminal.focus(),
    fit: refit,
    size: () => [terminal.cols, terminal.rows],
    dispose: () => {
      watcher.disconnect();
      host.removeEventListener('paste', guard, { capture: true });
      terminal.dispose();
    },
  };
}

window.infra402Terminal = { open };
window.dispatchEvent(new Event('infra402-terminal-ready'));
