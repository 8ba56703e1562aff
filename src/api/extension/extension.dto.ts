import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import type { TaskExplanation } from '../../engine/task.service';
import type { AmountsDescription, BackendDescription } from './backend-description';
import { TES_STATES, type TesState } from '../../task/tes';

@ApiSchema({ name: 'trouble' })
export class TroubleDto {
  @ApiProperty({ type: 'integer', description: 'Failures in a row.' })
  count!: number;

  @ApiProperty()
  reason!: string;
}

@ApiSchema({
  name: 'storageWait',
  description:
    'A storage that is away, for which inputs or outputs wait, or a full disk, where there is no room for a workspace. No room of the backend is used.',
})
export class StorageWaitDto {
  @ApiProperty({ enum: ['inputs', 'outputs', 'workspace'] })
  of!: 'inputs' | 'outputs' | 'workspace';

  @ApiProperty({ description: 'RFC 3339.' })
  since!: string;

  @ApiProperty({ type: 'integer', description: 'How often it was tried.' })
  tries!: number;

  @ApiProperty()
  reason!: string;

  @ApiPropertyOptional({ description: 'RFC 3339; absent while it is being tried.' })
  next_try_at?: string;
}

@ApiSchema({ name: 'taskExplanation', description: 'Where the engine is with a task.' })
export class TaskExplanationDto implements TaskExplanation {
  @ApiProperty()
  id!: string;

  @ApiProperty({ enum: TES_STATES, enumName: 'tesState' })
  state!: TesState;

  @ApiProperty({ example: 'stage-in' })
  step!: string;

  @ApiProperty({ type: 'integer', description: '0 before the first one.' })
  attempt!: number;

  @ApiPropertyOptional()
  backend?: string;

  @ApiPropertyOptional({ type: [String], description: 'Why it does not go on, one reason per line.' })
  waiting?: string[];

  @ApiPropertyOptional({ description: 'When the engine next looks at it, RFC 3339.' })
  due_at?: string;

  @ApiPropertyOptional({ type: TroubleDto })
  trouble?: TroubleDto;

  @ApiPropertyOptional({ type: StorageWaitDto })
  storage_wait?: StorageWaitDto;

  @ApiPropertyOptional({ description: 'The outputs could not be stored, and can be until then (`:restore-outputs`), RFC 3339.' })
  outputs_kept_until?: string;
}

@ApiSchema({ name: 'amounts' })
export class AmountsDto implements AmountsDescription {
  @ApiPropertyOptional({ description: 'Absent = unlimited, as the amounts below.' })
  cpu_cores?: number;

  @ApiPropertyOptional()
  ram_gb?: number;

  @ApiPropertyOptional()
  disk_gb?: number;

  @ApiPropertyOptional({ type: 'integer' })
  gpus?: number;

  @ApiPropertyOptional({ type: 'integer', description: 'Jobs at once.' })
  slots?: number;
}

@ApiSchema({ name: 'backend' })
export class BackendDto extends AmountsDto implements BackendDescription {
  @ApiProperty()
  name!: string;

  @ApiProperty({ type: [String], description: "The gateways that have it; what runs on a gateway's own machine is an entry for each." })
  gateways!: string[];

  @ApiProperty({ description: 'It answers.' })
  available!: boolean;

  @ApiProperty({ description: 'It takes no new tasks.' })
  draining!: boolean;

  @ApiProperty({ enum: ['gateway', 'worker'] })
  staging!: 'gateway' | 'worker';

  @ApiPropertyOptional({ type: AmountsDto, description: 'What it may grow to: a task that needs more than there is waits until then.' })
  at_most?: AmountsDto;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'A task asks for one with `backend_parameters`: `{"label.NAME": "VALUE"}`.',
  })
  labels!: Record<string, string>;

  @ApiPropertyOptional({ type: [String], description: 'Only tasks all of whose URLs lie below these go there.' })
  url_prefixes?: string[];

  @ApiProperty({ type: [String] })
  backend_parameters!: string[];

  @ApiProperty({ type: [String], description: 'What it enforces and what it cannot.' })
  notes!: string[];
}

@ApiSchema({ name: 'backendList' })
export class BackendListDto {
  @ApiProperty({ type: [BackendDto] })
  backends!: BackendDto[];
}
