"""Language models behind one face: servers, local weights, vLLM. Each engine is loaded only where it is asked for."""
