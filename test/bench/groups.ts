/** The groups of the bench, in the order in which they run. */
import { agent } from './agent'
import type { Group } from './bench'
import { demo } from './demo'
import { fleet } from './fleet'
import { floors } from './floors'
import { hosts } from './hosts'
import { launch } from './launch'
import { load } from './load'
import { output } from './output'
import { plans } from './plans'

export const groups: readonly Group[] = [launch, floors, hosts, load, output, agent, demo, fleet, plans]
