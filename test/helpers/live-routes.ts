/** The routes that the application really has: read from its router, not from the list that it was made of. */
import { createApp } from '../../api/app'
import { operations } from '../../api/routes'
import type { Services } from '../../api/services'
import { policy, type Rule } from './route-policy'

export interface LiveRoute {
  method: string
  /** `/api/v1/scopes/:scope/hosts/:hostId`. */
  path: string
  /** `METHOD path`. */
  name: string
}

interface Layer {
  route?: { path: string; methods: Record<string, boolean> }
  handle?: { stack?: Layer[] }
}

/** Every route of the application and of the routers inside it. */
export function liveRoutes(): LiveRoute[] {
  // Nothing of it is called: routes are made before anything is asked of a service.
  const app = createApp(operations, { logger: {} } as unknown as Services)
  const { stack } = app.router as unknown as { stack: Layer[] }
  return routesOf(stack)
}

function routesOf(stack: readonly Layer[]): LiveRoute[] {
  return stack.flatMap(({ route, handle }) => {
    if (!route) return routesOf(handle?.stack ?? [])
    const { path } = route
    const methods = Object.keys(route.methods)
    // Every method there is: what answers 405 (the suite of paths shows that it does).
    if (methods.length > 10) return []
    return methods.map((method) => ({
      method: method.toUpperCase(),
      path,
      name: `${method.toUpperCase()} ${path}`,
    }))
  })
}

/** What was decided about the route; nobody may use one about which nothing was (the inventory test names it). */
export function ruleOf(route: LiveRoute): Rule {
  return policy[route.name] ?? { may: [] }
}

/** The path with its parameters filled in; those that `ids` does not name stay. */
export function pathOf(route: LiveRoute, ids: Readonly<Record<string, string>>): string {
  return route.path.replaceAll(/:(\w+)/g, (whole, name: string) => ids[name] ?? whole)
}

export function parametersOf(route: LiveRoute): string[] {
  return [...route.path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
}
