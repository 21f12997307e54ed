/** What the page says, in Spanish. */

import type { Words } from "./en";

export const es: Words = {
  shell: {
    title: "Studio",
    study: "estudio",
    mode: "modo",
    rater: "evaluador",
    raterPlaceholder: "su nombre",
    raterHint: "Un seudónimo: se guarda con cada puntuación.",
    docs: "documentación",
    language: "Idioma",
    tabs: { rate: "Puntuar", progress: "Progreso", history: "Historial", captions: "Descripciones" },
    modes: { structure: "estructura", surfaces: "superficies" },
    archived: "archivado",
    loading: "Cargando…",
    skip: "Ir al contenido",
    copy: "Copiar",
    copied: "Copiado",
    notCopied: "El navegador no lo ha permitido: seleccione el texto y cópielo.",
    close: "Cerrar",
    cancel: "Cancelar",
  },
  key: {
    title: "Este servicio pide una clave",
    text: "Quien lo desplegó puede mostrársela. Se guarda hasta que cierre esta pestaña y solo se envía a este servicio.",
    label: "Clave de la API",
    send: "Usar esta clave",
    wrong: "El servicio no conoce esta clave. Compruebe que está completa y sin espacios.",
  },
  problem: {
    offline: "El servidor no responde. Lo que ha hecho se conserva; inténtelo de nuevo cuando vuelva.",
    again: "Intentar de nuevo",
    throttled: (seconds) => `Demasiadas solicitudes a la vez. Inténtelo de nuevo en ${seconds} s.`,
    failed:
      "El servidor ha fallado. Inténtelo de nuevo; si persiste, quien lo administra encontrará la causa en los registros con",
    unavailable: "El almacenamiento no está disponible en este momento. Inténtelo de nuevo en unos segundos.",
  },
  rate: {},
  progress: {},
  history: {},
  captions: {},
};
