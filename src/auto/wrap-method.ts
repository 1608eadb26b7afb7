type Methods = Record<PropertyKey, (...args: unknown[]) => unknown>;
type Seen<Target> = (target: Target, args: readonly unknown[]) => void;

/** Calls `seen` before each call of a method of `owner`, or of what inherits from `owner`. */
export function before<Target extends object>(
  owner: Target,
  name: PropertyKey,
  seen: Seen<Target>,
): void {
  wrap(owner, name, (target, args, call) => {
    seen(target, args);
    return call();
  });
}

/** Calls `seen` after each call of a method of `owner` that did not throw. */
export function after<Target extends object>(
  owner: Target,
  name: PropertyKey,
  seen: Seen<Target>,
): void {
  wrap(owner, name, (target, args, call) => {
    const result = call();
    seen(target, args);
    return result;
  });
}

function wrap<Target extends object>(
  owner: Target,
  name: PropertyKey,
  around: (target: Target, args: readonly unknown[], call: () => unknown) => unknown,
): void {
  const original = (owner as unknown as Methods)[name] as Methods[string];
  const value = function (this: Target, ...args: unknown[]): unknown {
    return around(this, args, () => Reflect.apply(original, this, args));
  };
  const { enumerable = false } = Object.getOwnPropertyDescriptor(owner, name) ?? {};
  Object.defineProperty(owner, name, { value, enumerable, configurable: true, writable: true });
}
