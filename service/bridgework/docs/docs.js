// The reference page: swagger-ui on this service's own document, with nothing from anywhere else.
"use strict";

window.addEventListener("DOMContentLoaded", () => {
  window.reference = window.SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#reference",
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    defaultModelExpandDepth: 3,
    displayRequestDuration: true,
    filter: true,
    persistAuthorization: false,
    validatorUrl: null,
    // The document's first server is for programs that import it; this page asks the service that served it.
    onComplete: () => window.reference.oas3Actions.setSelectedServer("/"),
  });
});
