import type { PageData, Table } from "./contract";
import { byId, h, plain } from "./text";

/** The collapsible sections on how good the estimates are, and on what the graph may have missed; each stays hidden where the run was
 * not put to it. */
export function writeTrust(page: PageData): void {
  if (page.validation !== null) writeTable("validation", "How far to trust it", page.validation);
  if (page.certificate !== null) writeTable("certificate", "What it may miss", page.certificate);
}

function writeTable(id: string, title: string, table: Table): void {
  const section = byId(id);
  section.hidden = false;
  const row = (cells: string[], name: "td" | "th") =>
    h(
      "tr",
      {},
      ...cells.map((c, i) =>
        h(name, { scope: name === "th" ? "col" : null, class: i === 0 && c.startsWith(" ") ? "part" : null }, plain(c.trim())),
      ),
    );
  section.querySelector("summary")?.append(title, h("small", {}, plain(table.text)));
  byId(`${id}-table`).append(
    h("table", {}, h("thead", {}, row(table.columns, "th")), h("tbody", {}, ...table.rows.map(r => row(r, "td")))),
  );
}
