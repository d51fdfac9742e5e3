  // ---- light or dark: one stylesheet, one attribute, one remembered word
  window.smalldocsToggleScheme = () => {
    const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
    window.alphatwinTheme(next);
    store.set("alphatwin-theme", next);
  };
