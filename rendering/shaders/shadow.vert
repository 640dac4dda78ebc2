#version 330
uniform mat4 light_view;
uniform mat3 rotation;
uniform vec3 pivot;
in vec3 position;
in float turned;

void main() {
    gl_Position = light_view * vec4(mix(position, rotation * (position - pivot) + pivot, turned), 1);
}
