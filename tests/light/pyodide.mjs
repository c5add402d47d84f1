// Runs a Python file in Pyodide: node pyodide.mjs PYODIDE_FOLDER SITE_PACKAGES CHECKOUT FILE [ARGUMENT...]
import { pathToFileURL } from "node:url";

const [folder, site, checkout, file, ...rest] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
const python = await loadPyodide({ indexURL: folder });
for (const [place, root] of [["/site", site], ["/checkout", checkout]]) {
  python.FS.mkdirTree(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, place);
}
python.globals.set("FILE", file);
python.globals.set("REST", rest.join(" "));
await python.runPythonAsync(`
import runpy, sys
sys.path[:0] = ["/checkout", "/site"]
sys.argv = [FILE, *REST.split()]
runpy.run_path("/checkout/" + FILE, run_name="__main__")
`);
