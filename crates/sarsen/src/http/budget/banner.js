// In development only: says on the page which of its requests were beyond their budgets.
(() => {
  const ask = window.fetch;
  const told = new Map();
  let banner;

  const show = () => {
    if (!banner) {
      banner = document.createElement("button");
      banner.type = "button";
      banner.title = "Beyond their budgets; click to hide";
      Object.assign(banner.style, {
        position: "fixed", left: "12px", bottom: "12px", zIndex: 2147483647, maxWidth: "min(90vw, 640px)",
        padding: "8px 12px", border: "1px solid #b45309", borderRadius: "6px", background: "#fffbeb", color: "#78350f",
        font: "12px/1.5 ui-monospace, monospace", textAlign: "left", whiteSpace: "pre-wrap", cursor: "pointer",
      });
      banner.addEventListener("click", () => {
        told.clear();
        banner.remove();
      });
    }
    banner.textContent = [...told].slice(-5).map(([request, budget]) => `${request}\n  ${budget}`).join("\n");
    if (!banner.isConnected) document.body.append(banner);
  };

  window.fetch = async (input, options) => {
    const response = await ask(input, options);
    const budget = response.headers.get("sarsen-budget");
    if (budget?.startsWith("broken")) {
      const method = (options?.method ?? input.method ?? "GET").toUpperCase();
      const request = `${method} ${new URL(response.url, location.href).pathname}`;
      told.delete(request);
      told.set(request, budget.replace("broken; ", ""));
      show();
    }
    return response;
  };
})();
