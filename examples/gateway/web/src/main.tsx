import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { SessionProvider } from "./session/session";
import { NoticesProvider } from "./ui/notices";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/messages.css";
import "./styles/layout.css";
import "./styles/list.css";
import "./styles/orders.css";
import "./styles/audit.css";
import "./styles/narrow.css";

const root = document.getElementById("root");
if (!root) throw new Error("no root in the document");
createRoot(root).render(
  <StrictMode>
    <SessionProvider>
      <NoticesProvider>
        <App />
      </NoticesProvider>
    </SessionProvider>
  </StrictMode>,
);
