import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import {
  TES_FILE_TYPES,
  TES_STATES,
  type TesExecutor,
  type TesFileType,
  type TesInput,
  type TesOutput,
  type TesResources,
  type TesState,
  type TesTask,
} from '../../task/tes';
import { TaskLogDto } from './task-log.dto';
import { Amount, Choice, Cores, Flag, Many, One, Optional, Text, TextList, TextMap } from './wire-types';

/** As it is sent: what normalisation fills in may be absent. */
type Sent<Wire extends { type: TesFileType }> = Omit<Wire, 'type'> & { type?: TesFileType };
type SentTask = Omit<Partial<TesTask>, 'inputs' | 'outputs' | 'executors'>;

const stringMap = { type: 'object', additionalProperties: { type: 'string' } } as const;

@ApiSchema({ name: 'tesInput', description: 'A file or directory that is in every executor at `path` before the first one starts.' })
export class InputDto implements Sent<TesInput> {
  @ApiPropertyOptional()
  @Optional()
  @Text()
  name?: string;

  @ApiPropertyOptional()
  @Optional()
  @Text()
  description?: string;

  @ApiPropertyOptional({ description: 'Required unless `content` is set.', example: 's3://my-object-store/file1' })
  @Optional()
  @Text()
  url?: string;

  @ApiProperty({ description: 'Absolute path inside the container.', example: '/data/file1' })
  @Text()
  path!: string;

  @ApiPropertyOptional({ enum: TES_FILE_TYPES, enumName: 'tesFileType', default: 'FILE' })
  @Optional()
  @Choice(TES_FILE_TYPES)
  type?: TesFileType;

  @ApiPropertyOptional({ description: 'The file itself, UTF-8. If it is not empty, `url` is ignored. Not in the BASIC view.' })
  @Optional()
  @Text()
  content?: string;

  @ApiPropertyOptional({ description: 'A hint that the file may be streamed instead of downloaded.' })
  @Optional()
  @Flag()
  streamable?: boolean;
}

@ApiSchema({ name: 'tesOutput', description: 'A file or directory that is stored at `url` after the executors ended.' })
export class OutputDto implements Sent<TesOutput> {
  @ApiPropertyOptional()
  @Optional()
  @Text()
  name?: string;

  @ApiPropertyOptional()
  @Optional()
  @Text()
  description?: string;

  @ApiProperty({ description: 'A directory where `path` has wildcards.', example: 's3://my-object-store/outfile-1' })
  @Text()
  url!: string;

  @ApiProperty({ description: 'Absolute path inside the container; may hold POSIX wildcards.', example: '/data/outfile' })
  @Text()
  path!: string;

  @ApiPropertyOptional({ description: 'Taken off the matching paths. Required where `path` has wildcards, else ignored.' })
  @Optional()
  @Text()
  path_prefix?: string;

  @ApiPropertyOptional({ enum: TES_FILE_TYPES, enumName: 'tesFileType', default: 'FILE' })
  @Optional()
  @Choice(TES_FILE_TYPES)
  type?: TesFileType;
}

@ApiSchema({ name: 'tesResources', description: 'What the task asks for. A GB is 2^30 bytes.' })
export class ResourcesDto implements TesResources {
  @ApiPropertyOptional({ format: 'double', example: 4, description: 'May be a fraction, as in TES 1.2.' })
  @Optional()
  @Cores()
  cpu_cores?: number;

  @ApiPropertyOptional({ example: false })
  @Optional()
  @Flag()
  preemptible?: boolean;

  @ApiPropertyOptional({ format: 'double', example: 8 })
  @Optional()
  @Amount()
  ram_gb?: number;

  @ApiPropertyOptional({ format: 'double', example: 40 })
  @Optional()
  @Amount()
  disk_gb?: number;

  @ApiPropertyOptional({ type: [String] })
  @Optional()
  @TextList()
  zones?: string[];

  @ApiPropertyOptional({ ...stringMap, description: 'Keys are case-insensitive; those of no backend are dropped with a system log line.' })
  @Optional()
  @TextMap()
  backend_parameters?: Record<string, string>;

  @ApiPropertyOptional({ default: false, description: 'Refuse the task if a backend parameter is not supported.' })
  @Optional()
  @Flag()
  backend_parameters_strict?: boolean;
}

@ApiSchema({ name: 'tesExecutor', description: 'One command in one container image.' })
export class ExecutorDto implements TesExecutor {
  @ApiProperty({ example: 'ubuntu:24.04' })
  @Text()
  image!: string;

  @ApiProperty({ type: [String], description: 'argv; no shell is implied.', example: ['/bin/md5', '/data/file1'] })
  @TextList()
  command!: string[];

  @ApiPropertyOptional({ description: 'Made when it is missing.', example: '/data/' })
  @Optional()
  @Text()
  workdir?: string;

  @ApiPropertyOptional({ description: 'Absolute path of a file in the container.', example: '/data/file1' })
  @Optional()
  @Text()
  stdin?: string;

  @ApiPropertyOptional({ example: '/tmp/stdout.log' })
  @Optional()
  @Text()
  stdout?: string;

  @ApiPropertyOptional({ example: '/tmp/stderr.log' })
  @Optional()
  @Text()
  stderr?: string;

  @ApiPropertyOptional({ ...stringMap, example: { BLASTDB: '/data/GRC38' } })
  @Optional()
  @TextMap()
  env?: Record<string, string>;

  @ApiPropertyOptional({ description: 'Go on with the next executor even if this one fails.' })
  @Optional()
  @Flag()
  ignore_error?: boolean;
}

@ApiSchema({ name: 'tesTask', description: 'A task: as submitted, plus what the server adds.' })
export class TaskDto implements SentTask {
  @ApiPropertyOptional({ readOnly: true, example: 'job-0012345' })
  id?: string;

  @ApiPropertyOptional({ readOnly: true, enum: TES_STATES, enumName: 'tesState', default: 'UNKNOWN' })
  state?: TesState;

  @ApiPropertyOptional()
  @Optional()
  @Text()
  name?: string;

  @ApiPropertyOptional()
  @Optional()
  @Text()
  description?: string;

  @ApiPropertyOptional({ type: [InputDto] })
  @Optional()
  @Many(() => InputDto)
  inputs?: InputDto[];

  @ApiPropertyOptional({ type: [OutputDto] })
  @Optional()
  @Many(() => OutputDto)
  outputs?: OutputDto[];

  @ApiPropertyOptional({ type: ResourcesDto })
  @Optional()
  @One(() => ResourcesDto)
  resources?: ResourcesDto;

  @ApiProperty({ type: [ExecutorDto], description: 'Carried out one after the other; the first error ends the task.' })
  @Many(() => ExecutorDto)
  executors!: ExecutorDto[];

  @ApiPropertyOptional({ type: [String], description: 'Directories shared by the executors, empty at the start.', example: ['/vol/A/'] })
  @Optional()
  @TextList()
  volumes?: string[];

  @ApiPropertyOptional({ ...stringMap, example: { WORKFLOW_ID: 'cwl-01234' } })
  @Optional()
  @TextMap()
  tags?: Record<string, string>;

  @ApiPropertyOptional({ readOnly: true, type: [TaskLogDto], description: 'One entry per attempt, the oldest first.' })
  logs?: TaskLogDto[];

  @ApiPropertyOptional({ readOnly: true, description: 'RFC 3339.', example: '2020-10-02T10:00:00Z' })
  creation_time?: string;
}
