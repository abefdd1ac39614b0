/** The schemas of openapi.yaml, as scripts/lint-frontend generates them: `Api["Finding"]`. */
type Api = import("#api").components["schemas"];

/** cytoscape.min.js is a classic script, which index.html loads before the modules: it sets this global. */
declare var cytoscape: typeof import("cytoscape");
