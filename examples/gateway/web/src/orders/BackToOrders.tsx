import { Icon } from "../ui/icons";

/** The way from a page about one order to the list. */
export function BackToOrders() {
  return (
    <a className="button button-quiet back" href="#/orders">
      <Icon name="left" />
      Orders
    </a>
  );
}
