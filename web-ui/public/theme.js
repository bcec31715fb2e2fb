// The chosen theme, before the first paint. The key and the words are those of src/state/theme.rs.
try {
  const theme = localStorage.getItem("infra402.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser without storage follows the system.
}
