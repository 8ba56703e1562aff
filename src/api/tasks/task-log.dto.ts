import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import type { TesExecutorLog, TesOutputFileLog, TesTaskLog } from '../../task/tes';

const time = { description: 'RFC 3339.', example: '2020-10-02T10:00:00Z' };

@ApiSchema({ name: 'tesExecutorLog', description: 'One executor that has ended.' })
export class ExecutorLogDto implements TesExecutorLog {
  @ApiPropertyOptional(time)
  start_time?: string;

  @ApiPropertyOptional(time)
  end_time?: string;

  @ApiPropertyOptional({ description: 'The end of the stream. Only in the FULL view.' })
  stdout?: string;

  @ApiPropertyOptional({ description: 'The end of the stream. Only in the FULL view.' })
  stderr?: string;

  @ApiProperty({ type: 'integer', format: 'int32' })
  exit_code!: number;
}

@ApiSchema({ name: 'tesOutputFileLog', description: 'One file that was stored.' })
export class OutputFileLogDto implements TesOutputFileLog {
  @ApiProperty()
  url!: string;

  @ApiProperty()
  path!: string;

  @ApiProperty({ type: String, format: 'int64', description: 'A number of bytes in decimal digits.', example: '1024' })
  size_bytes!: string;
}

@ApiSchema({ name: 'tesTaskLog', description: 'One attempt.' })
export class TaskLogDto implements TesTaskLog {
  @ApiProperty({ type: [ExecutorLogDto] })
  logs!: ExecutorLogDto[];

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  metadata?: Record<string, string>;

  @ApiPropertyOptional(time)
  start_time?: string;

  @ApiPropertyOptional(time)
  end_time?: string;

  @ApiProperty({ type: [OutputFileLogDto], description: 'Every file; directories and wildcards are flattened.' })
  outputs!: OutputFileLogDto[];

  @ApiPropertyOptional({ type: [String], description: 'Only in the FULL view.' })
  system_logs?: string[];
}
