// Our own routes as types, for those who serve and those who call them. Types alone, made of the schemas that validate.
import type { XStatic } from 'typebox/schema';
import type { RunEvent } from '../../exec/events.ts';
import type * as schemas from './schemas.ts';

export type JobStatus = XStatic<typeof schemas.jobStatus>;
export type RunRequest = XStatic<typeof schemas.runRequest>;
export type RunAnswer = XStatic<typeof schemas.runAnswer>;
export type NamedOutput = XStatic<typeof schemas.namedOutput>;
export type OutputFile = XStatic<typeof schemas.outputFile>;
export type RunErrorBody = XStatic<typeof schemas.runError>;
export type ProblemBody = XStatic<typeof schemas.problem>;
export type JobBody = XStatic<typeof schemas.job>;
export type JobDetailBody = XStatic<typeof schemas.jobDetail>;
export type JobListBody = XStatic<typeof schemas.jobList>;
export type SavedWorkflowBody = XStatic<typeof schemas.savedWorkflow>;
export type GapBody = XStatic<typeof schemas.gap>;
export type WebhookBody = XStatic<typeof schemas.webhookBody>;
export type { RunEvent };
