// Which device a run is at home on: the first of its devices, where everything goes that is not placed. Runs that overlap are spread over the devices.
import type { Devices } from '../device/device.ts';

export interface Home {
  /** The same devices, the home first. */
  readonly devices: Devices;
  leave(): void;
}

export class Homes {
  readonly #devices: Devices;
  readonly #runs: Map<string, number>;

  constructor(devices: Devices) {
    this.#devices = devices;
    this.#runs = new Map([...devices.keys()].map((name) => [name, 0]));
  }

  /** On the device that fewest runs are at home on; the earlier one where there are several. */
  enter(): Home {
    const least = Math.min(...this.#runs.values());
    const name = [...this.#runs].find(([, runs]) => runs === least)?.[0];
    if (name === undefined) return { devices: this.#devices, leave: () => undefined };
    this.#runs.set(name, least + 1);
    const isFirst = name === this.#devices.keys().next().value;
    return {
      devices: isFirst ? this.#devices : new Map([[name, this.#devices.get(name)!], ...this.#devices]),
      leave: () => { this.#runs.set(name, this.#runs.get(name)! - 1); },
    };
  }
}
