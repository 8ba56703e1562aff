/** The transfer plan of a task, carried out between `StorageClient` and `Workspace`. */
export { checkUrls } from './check-urls';
export { stageIn } from './stage-in';
export { stageOut } from './stage-out';
export type { StageOutOptions } from './stage-out';
export { StoredFiles, StoredFilesOfJobs } from './stored-files';
export type { TransferOptions, TransferProgress } from './transfer-options';
