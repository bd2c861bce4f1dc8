import type { Validation } from "./contract";
import { byId, h, plain } from "./text";

/** The collapsible section on how good the estimates are; stays hidden where the run was not validated. */
export function writeValidation(validation: Validation | null): void {
  if (validation === null) return;
  const section = byId("validation");
  section.hidden = false;
  const row = (cells: string[], name: "td" | "th") =>
    h(
      "tr",
      {},
      ...cells.map((c, i) =>
        h(name, { scope: name === "th" ? "col" : null, class: i === 0 && c.startsWith(" ") ? "part" : null }, plain(c.trim())),
      ),
    );
  section.querySelector("summary")?.append("How far to trust it", h("small", {}, plain(validation.text)));
  byId("validation-table").append(
    h("table", {}, h("thead", {}, row(validation.columns, "th")), h("tbody", {}, ...validation.rows.map(r => row(r, "td")))),
  );
}
