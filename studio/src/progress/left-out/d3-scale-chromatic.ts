/**
 * In place of d3-scale-chromatic, Observable Plot's ready-made colours: this page has colours of its own, for light and
 * dark. `vite.config.ts` puts it there.
 */

function leftOut(): never {
  throw new Error("charts name their colours: see left-out/d3-scale-chromatic.ts");
}

export const interpolateBlues = leftOut;
export const interpolateBrBG = leftOut;
export const interpolateBuGn = leftOut;
export const interpolateBuPu = leftOut;
export const interpolateCividis = leftOut;
export const interpolateCool = leftOut;
export const interpolateCubehelixDefault = leftOut;
export const interpolateGnBu = leftOut;
export const interpolateGreens = leftOut;
export const interpolateGreys = leftOut;
export const interpolateInferno = leftOut;
export const interpolateMagma = leftOut;
export const interpolateOrRd = leftOut;
export const interpolateOranges = leftOut;
export const interpolatePRGn = leftOut;
export const interpolatePiYG = leftOut;
export const interpolatePlasma = leftOut;
export const interpolatePuBu = leftOut;
export const interpolatePuBuGn = leftOut;
export const interpolatePuOr = leftOut;
export const interpolatePuRd = leftOut;
export const interpolatePurples = leftOut;
export const interpolateRainbow = leftOut;
export const interpolateRdBu = leftOut;
export const interpolateRdGy = leftOut;
export const interpolateRdPu = leftOut;
export const interpolateRdYlBu = leftOut;
export const interpolateRdYlGn = leftOut;
export const interpolateReds = leftOut;
export const interpolateSinebow = leftOut;
export const interpolateSpectral = leftOut;
export const interpolateTurbo = leftOut;
export const interpolateViridis = leftOut;
export const interpolateWarm = leftOut;
export const interpolateYlGn = leftOut;
export const interpolateYlGnBu = leftOut;
export const interpolateYlOrBr = leftOut;
export const interpolateYlOrRd = leftOut;

export const schemeAccent: readonly string[] = [];
export const schemeBlues: readonly string[] = [];
export const schemeBrBG: readonly string[] = [];
export const schemeBuGn: readonly string[] = [];
export const schemeBuPu: readonly string[] = [];
export const schemeCategory10: readonly string[] = [];
export const schemeDark2: readonly string[] = [];
export const schemeGnBu: readonly string[] = [];
export const schemeGreens: readonly string[] = [];
export const schemeGreys: readonly string[] = [];
export const schemeObservable10: readonly string[] = [];
export const schemeOrRd: readonly string[] = [];
export const schemeOranges: readonly string[] = [];
export const schemePRGn: readonly string[] = [];
export const schemePaired: readonly string[] = [];
export const schemePastel1: readonly string[] = [];
export const schemePastel2: readonly string[] = [];
export const schemePiYG: readonly string[] = [];
export const schemePuBu: readonly string[] = [];
export const schemePuBuGn: readonly string[] = [];
export const schemePuOr: readonly string[] = [];
export const schemePuRd: readonly string[] = [];
export const schemePurples: readonly string[] = [];
export const schemeRdBu: readonly string[] = [];
export const schemeRdGy: readonly string[] = [];
export const schemeRdPu: readonly string[] = [];
export const schemeRdYlBu: readonly string[] = [];
export const schemeRdYlGn: readonly string[] = [];
export const schemeReds: readonly string[] = [];
export const schemeSet1: readonly string[] = [];
export const schemeSet2: readonly string[] = [];
export const schemeSet3: readonly string[] = [];
export const schemeSpectral: readonly string[] = [];
export const schemeTableau10: readonly string[] = [];
export const schemeYlGn: readonly string[] = [];
export const schemeYlGnBu: readonly string[] = [];
export const schemeYlOrBr: readonly string[] = [];
export const schemeYlOrRd: readonly string[] = [];
