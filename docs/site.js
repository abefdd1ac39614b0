// The theme puts each button that copies code into a landmark without a name of its own, so that a screen reader would list
// as many places of the page as it has blocks of code. The theme adds them when a block comes into view.
new MutationObserver(() => {
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([role])")) buttons.setAttribute("role", "none");
}).observe(document.body, { childList: true, subtree: true });
