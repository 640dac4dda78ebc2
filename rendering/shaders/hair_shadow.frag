#version 330
in vec3 s;

void main() {
    if (s.z > 0.8 || s.y > 0.95) discard;  // the outer strands are thin
}
