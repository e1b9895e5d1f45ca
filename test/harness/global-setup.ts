import type { TestProject } from 'vitest/node';
import { chosenInfra, type InfraKind, log, startInfra } from './infra.ts';
import { namedSpecification } from './specification.ts';

declare module 'vitest' {
  interface ProvidedContext {
    infra: InfraKind;
    postgresUrl: string;
  }
}

/** Starts what all test files share; vitest calls what it returns at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!namedSpecification(process.env)) {
    log(
      'OPENRESPONSES_SPEC names no specification document: what clients are sent is validated by the own schemas alone.',
    );
  }
  const infra = await startInfra(chosenInfra(process.env));
  project.provide('infra', infra.kind);
  project.provide('postgresUrl', infra.postgresUrl);
  return () => infra.stop();
}
