// Questions to the server that follow what is going on: asked when there is news, and only the latest answer counts.

/** One kind of question of a view. */
export class Latest {
  turn = 0;

  /**
   * Asks when `facts` differ from those of the last question, and hands the answer to `draw`, unless something newer was
   * asked meanwhile. Without an answer (null) the next call asks again.
   */
  async read(facts, ask, draw) {
    const text = JSON.stringify(facts);
    if (this.asked === text) return;
    this.asked = text;
    this.turn += 1;
    const { turn } = this;
    const answer = await ask();
    if (turn !== this.turn) return;
    if (answer === null) this.asked = null;
    else draw(answer);
  }

  /** The next call asks, whatever is known. */
  forget() {
    this.asked = null;
  }
}
