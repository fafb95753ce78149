// Light or dark: the server reads the cookie, so that a dark page never flashes white.
const root = document.documentElement;
const button = document.querySelector("[data-theme-switch]");

if (button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const theme = shown === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  });
}
