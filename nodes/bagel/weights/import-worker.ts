// Main of a thread of the import: works one job at a time and answers.
import { parentPort } from 'node:worker_threads';
import { FileFormatError } from '../../../engine/tensor/errors.ts';
import { UserError } from '../errors.ts';
import { work, type Job, type Reply } from './jobs.ts';

parentPort!.on('message', (job: Job) => {
  const reply = (message: Reply) => parentPort!.postMessage(message);
  work(job).then(
    (answer) => reply({ answer }),
    (error: Error) => reply({ error: error.message, isUserError: error instanceof UserError || error instanceof FileFormatError || 'code' in error }),
  );
});
