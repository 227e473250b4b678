// Takes turns on devices: where a model is split over several, a pass keeps a device until its layers there are done,
// so that the passes behind it follow through the devices one after another. First come, first served.

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Waits for the device; the caller calls what it gets when done. A caller that holds one device never waits for another. */
  async take(device: string): Promise<() => void> {
    const before = this.#last.get(device);
    let leave!: () => void;
    const mine = new Promise<void>((resolve) => { leave = resolve; });
    this.#last.set(device, mine);
    await before;
    return () => {
      if (this.#last.get(device) === mine) this.#last.delete(device);
      leave();
    };
  }
}
