import { type DynamicModule, Module } from '@nestjs/common';
import { ApiModule, type ApiModuleOptions } from './api/api.module';
import type { Core } from './engine/core';
import { KnownBackends } from './engine/known-backends';
import { LogReader } from './engine/log-reader';
import { TaskService } from './engine/task.service';
import { UserList } from './engine/user-list';
import { StorageRegistry } from './ports/registries';

export interface AppModuleOptions {
  readonly core: Core;
  readonly storage: StorageRegistry;
  readonly api: Omit<ApiModuleOptions, 'imports'>;
  /** Modules beside the API, such as metrics and health. */
  readonly others?: readonly DynamicModule[];
}

/** What controllers ask for. The engine itself knows no Nest: it is made, started and stopped by hand. */
@Module({})
class EngineModule {
  static register({ tasks, logs, users, engine }: Core, storage: StorageRegistry): DynamicModule {
    return {
      module: EngineModule,
      global: true,
      providers: [
        { provide: TaskService, useValue: tasks },
        { provide: LogReader, useValue: logs },
        { provide: UserList, useValue: users },
        { provide: KnownBackends, useValue: engine.known },
        { provide: StorageRegistry, useValue: storage },
      ],
      exports: [TaskService, LogReader, UserList, KnownBackends, StorageRegistry],
    };
  }
}

/** The application of Nest: the API on a core, and what stands beside it. */
@Module({})
export class AppModule {
  static register({ core, storage, api, others = [] }: AppModuleOptions): DynamicModule {
    return { module: AppModule, imports: [ApiModule.register({ ...api, imports: [EngineModule.register(core, storage)] }), ...others] };
  }
}
