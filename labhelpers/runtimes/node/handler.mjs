// Finds the handler that _HANDLER names, in CommonJS and in ES modules.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import * as errors from "./errors.mjs";

const require = createRequire(new URL("index.mjs", import.meta.url)); // As AWS shows it in "Require stack".
// The node release that the function asked for, whichever one runs it here.
const release = Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV ?? "")?.[1] ?? 22);
export const takesCallback = release < 24;

// `name` is folder/file.export, with as many exports within exports as it has dots.
export async function loadHandler(root, name) {
  const { folder, file, exported } = parse(name);
  const module = await load(root, folder, file);
  const handler = find(module, exported) ?? find(module.default, exported);
  if (handler === undefined || handler === null) {
    throw new errors.HandlerNotFound(`${name} is undefined or not exported`);
  }
  if (typeof handler !== "function") throw new errors.HandlerNotFound(`${name} is not a function`);
  if (handler.length >= 3 && !takesCallback) {
    throw new errors.CallbackHandlerDeprecated(
      "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to " +
        "modify this function to use a supported handler signature to use Node.js 24 or later. For more information see " +
        "https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.",
    );
  }
  return handler;
}

function parse(name) {
  if (name.includes("..")) {
    throw new errors.MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const parts = /^([^.]*)\.(.*)$/.exec(path.basename(name));
  if (parts === null) throw new errors.MalformedHandlerName("Bad handler");
  return { folder: path.dirname(name), file: parts[1], exported: parts[2] };
}

function find(module, exported) {
  return exported.split(".").reduce((value, key) => value?.[key], module);
}

async function load(root, folder, file) {
  const place = path.resolve(root, folder, file);
  try {
    if (existsSync(`${place}.js`) && !isModule(path.dirname(place), root)) return require(`${place}.js`);
    for (const extension of [".js", ".mjs"]) {
      if (existsSync(place + extension)) return await import(pathToFileURL(place + extension));
    }
    if (existsSync(`${place}.cjs`)) return require(`${place}.cjs`);
    return require(require.resolve(file, { paths: [root, path.dirname(place)] }));
  } catch (error) {
    throw explained(error);
  }
}

// Whether the nearest package.json says that .js files are ES modules.
function isModule(folder, root) {
  for (let at = folder; ; at = path.dirname(at)) {
    const file = path.join(at, "package.json");
    if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")).type === "module";
    if (at === root || at === path.dirname(at)) return false;
  }
}

function explained(error) {
  if (error instanceof SyntaxError) {
    const made = new errors.UserCodeSyntaxError(String(error));
    made.stack = error.stack;
    return made;
  }
  return error?.code === "MODULE_NOT_FOUND" ? new errors.ImportModuleError(String(error)) : error;
}
