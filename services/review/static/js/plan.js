// The plan: preset by the diagnosis until the reader chooses, and always said in words beside what will be recorded.
const NONE = "choose…";

export function installPlan(form) {
  const panel = form.querySelector("[data-panel=p]");
  if (!panel) return;
  const plans = [...panel.querySelectorAll("input[name=management]")];
  const months = panel.querySelector("[data-months]");
  const shown = panel.querySelector("[data-plan]");
  const mark = panel.querySelector("[data-plan-preset]");
  const picker = form.querySelector("[data-panel=x]");
  const began = plans.find((plan) => plan.checked)?.value ?? "";
  // What came back from the server was chosen by the reader.
  let chosen = form.querySelector(".notice") !== null;

  function words() {
    const plan = plans.find((one) => one.checked);
    if (!plan) return NONE;
    const name = plan.parentElement.querySelector("[data-name]").dataset.name;
    if (plan.value !== "follow_up") return name;
    return `${name} in ${months.value || "?"} ${months.value === "1" ? "month" : "months"}`;
  }

  function say() {
    shown.textContent = words();
    if (mark) mark.hidden = chosen || words() === NONE;
    const diagnosis = picker?.querySelector("input[name=diagnosis]:checked");
    const said = picker?.querySelector("[data-plan-words]");
    if (said) said.textContent = diagnosis ? `${diagnosis.value} · plan: ${words()}${chosen ? "" : " (preset)"}` : "";
  }

  function preset(value) {
    if (!chosen) for (const plan of plans) plan.checked = plan.value === value;
    say();
  }

  function onChoice() {
    chosen = true;
    say();
  }

  for (const plan of plans) plan.addEventListener("change", onChoice);
  months.addEventListener("input", () => {
    plans.find((plan) => plan.value === "follow_up").checked = true;
    onChoice();
  });
  picker?.addEventListener("change", (event) => {
    if (event.target.name === "diagnosis") preset(event.target.dataset.preset);
  });
  // A diagnosis that was not recorded must not leave its plan behind for the one that is confirmed.
  picker?.addEventListener("toggle", () => preset(picker.open ? (picker.querySelector("input[name=diagnosis]:checked")?.dataset.preset ?? began) : began));
  say();
}
