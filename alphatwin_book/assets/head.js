// Dark unless the reader has chosen light; set before the page paints.
(function () {
  var mode = "dark";
  try { if (localStorage.getItem("alphatwin-theme") === "light") mode = "light"; } catch (e) { /* private window */ }
  window.alphatwinTheme = function (next) {
    var root = document.documentElement;
    root.dataset.bsTheme = next;
    root.classList.toggle("quarto-dark", next === "dark");
    root.classList.toggle("quarto-light", next === "light");
  };
  window.alphatwinTheme(mode);
})();
