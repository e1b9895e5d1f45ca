import type { TestProject } from 'vitest/node';
import { embeddedInfra } from './infra.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

/** Starts what all test files share; vitest calls what it returns at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const infra = await embeddedInfra();
  project.provide('postgresUrl', infra.postgresUrl);
  return () => infra.stop();
}
