// The theme puts each button that copies code into a landmark without a name of its own, so that a screen reader would list
// as many places of the page as it has blocks of code. The theme adds them when a block comes into view.
new MutationObserver(() => {
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([role])")) buttons.setAttribute("role", "none");
}).observe(document.body, { childList: true, subtree: true });

/** @param {string} command @returns {boolean} whether a quote, a line or a loop is open, so that the next line goes on with it */
const isOpen = (command) =>
  command.split("'").length % 2 === 0 || command.endsWith("\\") || (/\bdo\b/.test(command) && !/\bdone\b/.test(command));

// A block of a console shows commands and what they print. The button copies the commands, without their prompts.
for (const code of document.querySelectorAll(".highlight code:has(.gp)")) {
  /** @type {string[]} */
  const commands = [];
  for (const line of (code.textContent ?? "").split("\n")) {
    const last = commands.length - 1;
    if (last >= 0 && isOpen(commands[last])) commands[last] += `\n${line}`;
    else if (line.startsWith("$ ")) commands.push(line.slice(2));
  }
  code.setAttribute("data-copy", commands.join("\n"));
}
