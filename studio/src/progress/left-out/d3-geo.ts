/**
 * In place of d3-geo: Observable Plot can draw maps of the earth, which weigh a tenth of all that it brings, and this
 * page has none. `vite.config.ts` puts it there.
 */

function leftOut(): never {
  throw new Error("this page has no maps of the earth: see left-out/d3-geo.ts");
}

// Plot makes one as it starts, and uses it for maps alone.
export const geoTransform = (): object => ({});

export const geoAlbers = leftOut;
export const geoAlbersUsa = leftOut;
export const geoAzimuthalEqualArea = leftOut;
export const geoAzimuthalEquidistant = leftOut;
export const geoCentroid = leftOut;
export const geoClipRectangle = leftOut;
export const geoConicConformal = leftOut;
export const geoConicEqualArea = leftOut;
export const geoConicEquidistant = leftOut;
export const geoEqualEarth = leftOut;
export const geoEquirectangular = leftOut;
export const geoGnomonic = leftOut;
export const geoGraticule10 = leftOut;
export const geoMercator = leftOut;
export const geoOrthographic = leftOut;
export const geoPath = leftOut;
export const geoStereographic = leftOut;
export const geoStream = leftOut;
export const geoTransverseMercator = leftOut;
