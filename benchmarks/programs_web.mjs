// Runs ONNX files in ONNX Runtime Web: for each line `MODEL<tab>FOLDER` on standard input it takes arrays
// from the folder as benchmarks/programs.py puts them there, and says `done` or what went wrong.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as ort from "onnxruntime-web";

const KINDS = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, uint8: Uint8Array,
  int32: Int32Array, int64: BigInt64Array };
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

async function run(model, folder) {
  const session = await ort.InferenceSession.create(readFileSync(model));
  const feeds = {};
  for (const [name, { type, dims, file }] of Object.entries(JSON.parse(readFileSync(join(folder, "feeds.json"))))) {
    const bytes = readFileSync(join(folder, file));
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    feeds[name] = new ort.Tensor(type, new KINDS[type](buffer), dims);
  }
  const found = await session.run(feeds);
  const told = session.outputNames.map((name, number) => {
    const { type, dims, data } = found[name];
    writeFileSync(join(folder, `out${number}`), Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    return { type, dims, file: `out${number}` };
  });
  writeFileSync(join(folder, "found.json"), JSON.stringify(told));
  await session.release();
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = await run(...line.split("\t")).then(() => "done", (error) => String(error).replace(/\s+/g, " "));
  process.stdout.write(`${said}\n`);
}
