/** `GET /openapi.json`, and `GET /docs`, a page that shows it. Both need no key, and the page no other server. */
import swagger, { type StaticDocumentSpec } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { openApiDocument } from './document.ts';
import { SERVER_VERSION } from './version.ts';

/** The page's own files and nothing else; styles are set by its scripts. */
const CONTENT_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'";

/** Adds both to a server. */
export function addReference(app: FastifyInstance): void {
  const document = openApiDocument(SERVER_VERSION);
  const json = JSON.stringify(document);
  app.get('/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(json));
  app.register(swagger, { mode: 'static', specification: { document: document as StaticDocumentSpec['document'] } });
  app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_POLICY,
    uiConfig: { docExpansion: 'list', deepLinking: true, displayRequestDuration: true },
    theme: { title: 'Tailrace API' },
  });
}
