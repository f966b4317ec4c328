import { useEffect, useId, useRef, type ReactNode, type RefObject } from "react";

import { Icon } from "./icons";

interface DialogProps {
  title: ReactNode;
  /** Absent: the dialog can only be left by doing what it asks. */
  onClose?: () => void;
  /** Where the focus goes if what opened the dialog is gone by then. */
  returnTo?: RefObject<HTMLElement | null>;
  /** Hides what is behind, where it must not be read. */
  opaque?: boolean;
  children: ReactNode;
}

/** A native modal dialog: the browser keeps the focus inside and gives it back to where it was. */
export function Dialog({ title, onClose, returnTo, opaque = false, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    dialog?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => {
      dialog?.close();
      giveBack(before, returnTo);
    };
  }, [returnTo]);
  return (
    <dialog
      ref={ref}
      className={opaque ? "dialog dialog-opaque" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <header className="dialog-head">
        <h2 id={id}>{title}</h2>
        {onClose && (
          <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}

/**
 * React takes the dialog out before the browser would give the focus back. Whether what opened it is still there is
 * known only after everything the dialog's end changed is drawn.
 */
function giveBack(before: Element | null, instead: RefObject<HTMLElement | null> | undefined) {
  setTimeout(() => {
    if (document.activeElement && document.activeElement !== document.body) return;
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    else instead?.current?.focus();
  });
}
