// Sets the remembered theme before the first paint, so that the page does not flash.
(function () {
  try {
    const theme = localStorage.getItem("ops.theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // Without storage the theme follows the system.
  }
})();
