/** The parts of the page: each reads its fields and writes its place. */
import { AskLine } from "./askline.js";
import { Check } from "./check.js";
import { Diagnostics } from "./diagnostics.js";
import { Explore } from "./explore.js";
import { Exposure } from "./exposure.js";
import { Inside } from "./inside.js";
import { Matrix } from "./matrix.js";
import { Picture } from "./picture.js";
import { Reach } from "./reach.js";
import { WhatIf } from "./whatif.js";

export const picture = new Picture();
export const explore = new Explore();
export const inside = new Inside();
export const check = new Check();
export const matrix = new Matrix();
export const diagnostics = new Diagnostics();
export const exposure = new Exposure();
export const reach = new Reach();
export const whatIf = new WhatIf();
export const askLine = new AskLine();
