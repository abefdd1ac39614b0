/** cytoscape.min.js is a classic script, which index.html loads before the modules: it sets this global. */
declare var cytoscape: typeof import("cytoscape");
