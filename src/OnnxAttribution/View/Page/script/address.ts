/** Keeps a state in the address, where that can be changed: a page in a notebook's frame has an address that cannot. */
export function keep(hash: string): void {
  try {
    history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

/** Whether a link leads there: segments without a scheme, as they are made of a run's directory, from a page that lies somewhere. */
export const isAddress = (page: string | null): page is string =>
  page !== null && location.protocol !== "about:" && /^(?:[\w.~%-]+\/)*[\w.~%-]+$/.test(page);
