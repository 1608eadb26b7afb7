type Method = (this: object, ...args: unknown[]) => unknown;

/**
 * Calls `before` ahead of one method of each object that it is put on. The replacement is shared by
 * all these objects, and is not enumerable: a printed object does not show it. It takes the place
 * of a listener where a program could take that off, or would count it.
 */
export class MethodHook<Target extends object> {
  readonly #name: string;
  readonly #before: (target: Target, args: readonly unknown[]) => void;
  readonly #shared: Method;
  /** The method that other code had put on the object, by the stand-in that replaced it. */
  readonly #replaced: WeakMap<Method, Method> = new WeakMap();

  constructor(name: string, before: (target: Target, args: readonly unknown[]) => void) {
    this.#name = name;
    this.#before = before;
    this.#shared = this.#standIn((target) => this.#inherited(target));
  }

  putOn(target: Target): void {
    const present = methodOf(target, this.#name);
    const isPlain = present === this.#shared || present === this.#inherited(target);
    const ours = isPlain ? this.#shared : this.#standIn(() => present);
    if (!isPlain) this.#replaced.set(ours, present);
    putHidden(target, this.#name, ours);
  }

  /**
   * Puts the original method back; deleting ours would turn the object into a slow one. If other
   * code put a method over ours, ours stays below: `before` has to tell.
   */
  takeOff(target: Target): void {
    const present = methodOf(target, this.#name);
    const original =
      present === this.#shared ? this.#inherited(target) : this.#replaced.get(present);
    if (original) putHidden(target, this.#name, original);
  }

  #standIn(next: (target: Target) => Method): Method {
    const before = this.#before;
    return function (...args: unknown[]): unknown {
      before(this as Target, args);
      return Reflect.apply(next(this as Target), this, args);
    };
  }

  #inherited(target: Target): Method {
    return methodOf(Object.getPrototypeOf(target), this.#name);
  }
}

/** Defines a property that is not enumerable. */
export function putHidden(target: object, name: string | symbol, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
}

function methodOf(target: object, name: string): Method {
  return (target as Record<string, Method>)[name] as Method;
}
