// Runs an ONNX file in ONNX Runtime Web: node programs_web.mjs MODEL FOLDER, arrays as benchmarks/programs.py
// writes them there.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web";

const KINDS = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, uint8: Uint8Array,
  int32: Int32Array, int64: BigInt64Array };
const [model, folder] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
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
