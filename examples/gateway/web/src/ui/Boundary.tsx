import { Component, type ReactNode } from "react";

import { Failed } from "./states";

/** Keeps a fault of one view from taking the whole page away. What was thrown may quote PHI, so it is not shown. */
export class Boundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <Failed
        error={null}
        title="This part of the page failed"
        onRetry={() => this.setState({ broken: false })}
      />
    );
  }
}
