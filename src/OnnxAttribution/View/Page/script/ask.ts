import { LETTERS } from "./chosen";
import { h } from "./text";

/** Asks for one line of text, in place; Enter takes it, Escape leaves all as it was. */
export class Ask {
  readonly element = h("form", { class: "sg-ask", hidden: true });

  /** @param back Where the focus goes afterwards. */
  for(what: string, value: string, take: (text: string) => void, back: () => void): void {
    const input = h("input", { type: "text", maxlength: LETTERS, value, "aria-label": what, autocomplete: "off", spellcheck: "false" });
    const cancel = h("button", { type: "button" }, "Cancel");
    const close = () => {
      this.close();
      back();
    };
    cancel.addEventListener("click", close);
    this.element.replaceChildren(h("span", {}, what), input, h("button", { type: "submit" }, "OK"), cancel);
    this.element.onsubmit = event => {
      event.preventDefault();
      const text = input.value;
      close();
      take(text);
    };
    this.element.onkeydown = event => {
      event.stopPropagation();
      if (event.key === "Escape") close();
    };
    this.element.hidden = false;
    input.focus();
    input.select();
  }

  close(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
  }
}
