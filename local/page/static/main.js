// The order page: each module draws one part of it from the stream of events.

import "./flow.js";
import "./list.js";
import "./stream.js";
import "./place.js";
import "./break.js";
import { open } from "./order.js";

open(); // when every module listens
