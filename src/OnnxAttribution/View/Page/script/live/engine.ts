import * as ort from "onnxruntime-web/wasm";
import type { LiveData } from "./contract";

/** f' = scale · f + offset of a column, at one position or (null) at all. */
export interface Edit {
  column: number;
  position: number | null;
  scale: number;
  offset: number;
}

/** What edits come to, [position, column]; those of one feature at one place follow one another. */
export class Edits {
  readonly scale: Float32Array;
  readonly offset: Float32Array;

  constructor(
    readonly positions: number,
    readonly columns: number,
    edits: Edit[],
  ) {
    this.scale = new Float32Array(positions * columns).fill(1);
    this.offset = new Float32Array(positions * columns);
    for (const e of edits) {
      for (let t = e.position ?? 0; t <= (e.position ?? positions - 1) && t < positions; t++) {
        const at = t * columns + e.column;
        this.scale[at] *= e.scale;
        this.offset[at] = e.scale * this.offset[at] + e.offset;
      }
    }
  }

  changes(at: number): boolean {
    return this.scale[at] !== 1 || this.offset[at] !== 0;
  }
}

/** Logits behind one position, and activations [position, column], before a site's own edits. */
export interface Outcome {
  logits: Float32Array;
  activations: Float32Array;
}

/** What a script element of base64 holds; its text is let go. */
function bytes(id: string): Uint8Array {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  const text = atob(element.textContent ?? "");
  element.remove();
  const result = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) result[i] = text.charCodeAt(i);
  return result;
}

async function unzipped(data: Uint8Array): Promise<ArrayBuffer> {
  const stream = new Blob([data as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** A script beside the page, which writes what it holds into its own element. A page from disk may run scripts, and fetch nothing. */
function script(id: string, name: string): Promise<void> {
  const element = document.createElement("script");
  [element.id, element.src] = [id, name];
  return new Promise((done, fail) => {
    element.addEventListener("load", () => done());
    element.addEventListener("error", () => fail(new Error(`${name} is not beside this page; keep the folder together`)));
    document.head.append(element);
  });
}

/** The weights, part by part: of each only its bytes are kept, so that no two texts are in memory at once. */
async function weights(live: LiveData, says: (words: string) => void): Promise<Uint8Array> {
  const all = new Uint8Array(live.weightBytes);
  let at = 0;
  for (let i = 0; i < live.parts; i++) {
    const id = `live-weights-${i}`;
    if (document.getElementById(id) === null) {
      says(`reading the model: ${i + 1} of ${live.parts}`);
      await script(id, `weights-${String(i).padStart(3, "0")}.js`);
    }
    const part = bytes(id);
    all.set(part, at);
    at += part.length;
  }
  if (at !== all.length) throw new Error(`the weights have ${at} bytes, not ${all.length}; make the page again`);
  return all;
}

/** The model, in this page. One run at a time. */
export class Engine {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly columns: number,
  ) {}

  /** @param says Told how far it is. */
  static async open(live: LiveData, says: (words: string) => void): Promise<Engine> {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = await unzipped(bytes("live-runtime"));
    const data = await weights(live, says);
    says("opening the model…");
    const session = await ort.InferenceSession.create(bytes("live-model"), {
      executionProviders: ["wasm"],
      // in 1.30.0 it looks for a value that another of its steps has renamed, where logits are those of one position
      extra: { optimization: { disable_specified_optimizers: "ReshapeFusion" } },
      externalData: [{ path: "weights.bin", data }],
    });
    return new Engine(session, live.columns);
  }

  async run(tokens: number[], { scale, offset }: Edits, position: number): Promise<Outcome> {
    const [T, K] = [tokens.length, this.columns];
    const result = await this.session.run({
      tokens: new ort.Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, T]),
      "edit.scale": new ort.Tensor("float32", scale, [T, K]),
      "edit.offset": new ort.Tensor("float32", offset, [T, K]),
      "edit.position": new ort.Tensor("int64", BigInt64Array.of(BigInt(position)), [1]),
    });
    return {
      logits: result["edit.logits"].data as Float32Array,
      activations: result["edit.activations"].data as Float32Array,
    };
  }
}
