// Node's own module resolution needs the endings of file names.
export default {
  input: "openapi.yaml",
  output: { path: "build/clients/hey-api/client", module: { extension: ".js" }, importFileExtension: ".js" },
};
